import { AgentError } from "../../kernel/error.ts";
import type { Rpc } from "../rpc.ts";

const MAX_SECONDS = 0xffff_ffff;

/** Sets the guest's clock. The kernel refuses a time before the guest's start. */
export const setGuestDateTime: Rpc<"SetGuestDateTime"> = {
  afterDeath: "continue",
  async handle({ kernel }, { Sec, Usec }) {
    if (!(Sec >= 0 && Sec <= MAX_SECONDS && Usec >= 0 && Usec < 1_000_000)) {
      throw new AgentError("invalid-argument", `set guest date time: ${Sec} s and ${Usec} µs are no time till 2106`);
    }
    kernel.sys.setTime(Sec, Usec);
    return {};
  },
};
