/** Node's modules that few agents ever use: loaded at the first use, for together they cost 2 MiB and 5 ms at the start. */
export const crypto = (): typeof import("node:crypto") => process.getBuiltinModule("node:crypto");
export const childProcess = (): typeof import("node:child_process") => process.getBuiltinModule("node:child_process");
export const v8 = (): typeof import("node:v8") => process.getBuiltinModule("node:v8");
export const vm = (): typeof import("node:vm") => process.getBuiltinModule("node:vm");
