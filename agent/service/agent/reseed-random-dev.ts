import { reseedRandom } from "../../guest/reseed-random.ts";
import type { Rpc } from "../rpc.ts";

export const reseedRandomDev: Rpc<"ReseedRandomDev"> = {
  afterDeath: "continue",
  async handle({ kernel }, request) {
    reseedRandom(kernel.sys, request.data);
    return {};
  },
};
