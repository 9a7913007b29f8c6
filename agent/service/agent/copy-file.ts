import { fileSystemAnswers } from "../../kernel/wait/file-system-answers.ts";
import { BEGUN } from "../dispatch.ts";
import type { Rpc } from "../rpc.ts";

/** Converts owners, which the message carries as signed numbers. */
export const copyFile: Rpc<"CopyFile"> = {
  afterDeath: "continue",
  async handle(agent, request, call) {
    await fileSystemAnswers(agent.kernel.files, request.path, call.signal);
    const again = call.progress === BEGUN;
    call.note?.(BEGUN);
    await agent.copyFile({
      again,
      path: request.path,
      mode: request.file_mode,
      dirMode: request.dir_mode,
      uid: request.uid >>> 0,
      gid: request.gid >>> 0,
      fileSize: request.file_size,
      offset: request.offset,
      data: request.data,
    });
    return {};
  },
};
