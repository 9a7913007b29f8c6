import { z } from "zod";
import { hostPath, plainText, sandboxPath, timeoutSeconds, wholeNumber } from "./fields.ts";

/** Input of sandbox_create. */
export const createInput = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][\w.-]{0,63}$/, "is not letters, digits, _ . and -, at most 64")
    .optional()
    .describe("By default a random one"),
  image: plainText("Image of its root file system; by default the first one that the user has allowed").optional(),
  command: z
    .array(z.string().regex(/^[^\0]*$/, "has a NUL"))
    .min(1)
    .optional()
    .describe("Words of its first process, whose output sandbox_logs returns; by default one that only waits"),
  init: z
    .boolean()
    .optional()
    .describe("With command: run it below an init, which passes signals on and reaps orphans; by default no"),
  memory_mib: wholeNumber(128, 1 << 20, "Memory in MiB; by default 512").optional(),
  cpus: wholeNumber(1, 512, "Processors; by default 1").optional(),
  network: z.enum(["none", "user"]).default("none").describe("user: outgoing connections, if the user has allowed it"),
  env: z.record(z.string(), z.string()).optional().describe("Variables of all its processes"),
  user: plainText('User of its processes, such as "1000:1000"; by default the image\'s').optional(),
  mounts: z
    .array(z.strictObject({ host_path: hostPath("Folder"), path: sandboxPath("Where the sandbox sees it, read-only") }))
    .max(16)
    .optional()
    .describe("Folders of the user's machine to see, read-only"),
  timeout_seconds: timeoutSeconds(300),
});

/** The same, once it is checked. */
export type CreateInput = z.output<typeof createInput>;
