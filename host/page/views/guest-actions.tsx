import { useSignal } from "@preact/signals";
import type { ActionAnswer, GuestAction } from "../../serve/protocol/actions.ts";
import type { GuestTree } from "../../serve/protocol/guest-tree.ts";
import { ActionButton } from "../parts/action-button.tsx";
import { Reason } from "../parts/reason.tsx";
import { apiPath, postJson } from "../state/api.ts";
import { goTo } from "../state/route.ts";

/** Buttons for what can be done to a guest. */
export function GuestActions({ guest: { name, record } }: { readonly guest: GuestTree }) {
  const copies = useSignal("1");
  const act = async (action: GuestAction) => {
    const answer = await postJson<ActionAnswer>(apiPath("guests", name, "actions"), action);
    return answer?.done ?? `${action.action}: done`;
  };
  const foreign = record === undefined ? "guestctl did not start this guest" : undefined;
  const fixed = foreign ?? (record?.canFork === true ? undefined : "the guest was booted without a snapshot's devices");
  return (
    <div class="buttons">
      <ActionButton
        text="Kill the agent"
        isDangerous
        question={{
          title: `Kill the agent of ${name}?`,
          text: <p>SIGKILL, at once. init starts the next one; containers, terminals and their output continue.</p>,
        }}
        act={() => act({ action: "kill-agent" })}
      />
      <ActionButton text="Pause" disabled={fixed} act={() => act({ action: "pause" })} />
      <ActionButton text="Resume" disabled={fixed} act={() => act({ action: "resume" })} />
      <ActionButton
        text="Fork"
        disabled={fixed}
        question={{
          title: `Fork ${name}?`,
          text: (
            <p>
              <label>
                Copies{" "}
                <input
                  type="number"
                  min="1"
                  max="16"
                  value={copies.value}
                  onInput={({ currentTarget }) => (copies.value = currentTarget.value)}
                />
              </label>
            </p>
          ),
        }}
        act={() => act({ action: "fork", count: Number(copies.value) })}
      />
      <ActionButton
        text="Stop"
        isDangerous
        disabled={foreign}
        question={{ title: `Stop ${name}?`, text: <p>Powers the guest off, with all its containers.</p> }}
        act={async () => {
          const done = await act({ action: "stop" });
          goTo({ view: "overview" });
          return done;
        }}
      />
      <Reason text={fixed && `Pause, Resume${foreign === undefined ? "" : ", Stop"} and Fork: ${fixed}`} />
    </div>
  );
}
