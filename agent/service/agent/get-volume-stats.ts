import { fileSystemAnswers } from "../../kernel/wait/file-system-answers.ts";
import { type VolumeCounts, volumeStats } from "../../storage/volume-stats.ts";
import type { Rpc } from "../rpc.ts";

const BYTES = 1;
const INODES = 2;

export const getVolumeStats: Rpc<"GetVolumeStats"> = {
  afterDeath: "repeat",
  async handle(agent, request, call) {
    await fileSystemAnswers(agent.kernel.files, request.volume_guest_path, call.signal);
    const { bytes, inodes } = await volumeStats(agent.kernel.contained, request.volume_guest_path);
    const usage = (counts: VolumeCounts, unit: number) => ({ ...counts, unit });
    return {
      usage: [usage(bytes, BYTES), usage(inodes, INODES)],
      volume_condition: { abnormal: false, message: "OK" },
    };
  },
};
