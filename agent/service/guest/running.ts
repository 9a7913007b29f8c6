import type { Rpc } from "../rpc.ts";

export const running: Rpc<"Running"> = {
  afterDeath: "repeat",
  async handle(agent) {
    const { bundle, generation, left, upload } = agent.running();
    const { version } = agent;
    return { version, bundle, generation, left_bundle: left?.bundle, left_reason: left?.reason, upload_path: upload };
  },
};
