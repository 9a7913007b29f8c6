import { AgentError } from "../../kernel/error.ts";
import { findProcess } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

const MAX_SIZE = 65_535;

export const ttyWinResize: Rpc<"TtyWinResize"> = {
  afterDeath: "repeat",
  async handle(agent, request) {
    if (request.row > MAX_SIZE || request.column > MAX_SIZE) {
      throw new AgentError("invalid-argument", `resize: ${request.row}x${request.column} is more than ${MAX_SIZE}`);
    }
    findProcess(agent, request).resize(request.row, request.column);
    return {};
  },
};
