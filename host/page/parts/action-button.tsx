import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { say, sayError, whyReadOnly } from "../state/page-state.ts";
import { Dialog } from "./dialog.tsx";

interface ActionButtonProps {
  readonly text: string;
  /** Question before the action; without it, the action begins at once. */
  readonly question?: { readonly title: string; readonly text: ComponentChildren };
  readonly isDangerous?: boolean;
  /** Why it can't be used, apart from a page that is read-only. */
  readonly disabled?: string | undefined;
  /** Does it, and returns one line about what was done. */
  act(): Promise<string>;
}

/** A button for something that changes a guest. It is disabled while the action runs. */
export function ActionButton({ text, question, isDangerous = false, disabled, act }: ActionButtonProps) {
  const isAsking = useSignal(false);
  const isRunning = useSignal(false);
  const why = whyReadOnly() ?? disabled;
  const run = async () => {
    isRunning.value = true;
    say(`${text} …`);
    try {
      say(await act());
    } catch (error) {
      sayError(error);
    }
    isRunning.value = false;
  };
  const press = () => {
    if (question === undefined) void run();
    else isAsking.value = true;
  };
  return (
    <>
      <button
        type="button"
        class={isDangerous ? "danger" : undefined}
        disabled={why !== undefined || isRunning.value}
        title={why}
        onClick={press}
      >
        {text}
      </button>
      {isAsking.value && question !== undefined && (
        <Dialog
          title={question.title}
          action={text}
          isDangerous={isDangerous}
          confirm={() => void run()}
          close={() => (isAsking.value = false)}
        >
          {question.text}
        </Dialog>
      )}
    </>
  );
}
