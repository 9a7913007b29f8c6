import { commandTools } from "./command-tools.ts";
import { copyTools } from "./copy-tools.ts";
import { fileTools } from "./file-tools.ts";
import { logTool } from "./log-tool.ts";
import { portTools } from "./port-tools.ts";
import { sandboxTools } from "./sandbox-tools.ts";
import type { Tool } from "./tool.ts";

/** All tools, in the order in which clients list them. */
export const TOOLS: readonly Tool[] = [
  ...[...sandboxTools, ...commandTools, ...fileTools, ...copyTools, ...portTools],
  logTool,
];
