import { bootMarks } from "../../../host/engine/guest/boot-timeline.ts";

const FIRST_STAGE = /^first stage: init (\d+) agent (\d+)/;

/** Times of PID 1, of the agent's exec and of the ready line, in seconds of the guest's clock, which starts with its kernel. */
export interface GuestMarks {
  readonly init: number;
  readonly agent: number;
  readonly printed: number;
}

/** Returns the times in a line of the first stage or of guestd's log. */
export function guestMarks(line: string): GuestMarks | undefined {
  const [, began, ended] = FIRST_STAGE.exec(line) ?? [];
  const own = bootMarks(line.slice(Math.max(0, line.indexOf("{"))));
  const [init, agent, printed] = own
    ? [own.init, own.agent, own.listening]
    : [Number(began), Number(ended), Number(ended)];
  return Number.isNaN(init) ? undefined : { init: init / 1e6, agent: agent / 1e6, printed: printed / 1e6 };
}
