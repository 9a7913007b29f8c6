import { guestPath } from "../../kernel/guest-path.ts";
import type { Rpc } from "../rpc.ts";

export const addSwapPath: Rpc<"AddSwapPath"> = {
  afterDeath: "continue",
  async handle({ kernel }, request) {
    await kernel.sys.swapOn(guestPath("add swap: path", request.path));
    return {};
  },
};
