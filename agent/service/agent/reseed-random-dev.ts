import { reseedRandom } from "../../guest/reseed-random.ts";
import type { Rpc } from "../rpc.ts";

export const reseedRandomDev: Rpc<"ReseedRandomDev"> = async ({ kernel }, request) => {
  reseedRandom(kernel.sys, request.data);
  return {};
};
