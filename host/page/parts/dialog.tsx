import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface DialogProps {
  readonly title: string;
  /** Text of the button that confirms. */
  readonly action: string;
  readonly isDangerous?: boolean;
  readonly children: ComponentChildren;
  confirm(): void;
  close(): void;
}

/** A modal question. Escape and Cancel close it; Enter confirms unless the action is dangerous. */
export function Dialog({ title, action, isDangerous = false, children, confirm, close }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={close}>
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          dialog.current?.close();
          confirm();
        }}
      >
        <h2 id={id}>{title}</h2>
        {children}
        <p class="buttons">
          <button type="submit" class={isDangerous ? "danger" : "main"}>
            {action}
          </button>
          <button type="button" autofocus={isDangerous} onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </p>
      </form>
    </dialog>
  );
}
