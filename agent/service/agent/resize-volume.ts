import { resizeVolume as resize } from "../../storage/resize-volume.ts";
import type { Rpc } from "../rpc.ts";

export const resizeVolume: Rpc<"ResizeVolume"> = {
  afterDeath: "continue",
  async handle({ kernel }, request) {
    await resize(kernel, request.volume_guest_path, request.size);
    return {};
  },
};
