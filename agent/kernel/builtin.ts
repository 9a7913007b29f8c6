/** Node modules that most agents never use, loaded on first use: together they cost 2 MiB and 5 ms at start. */
export const crypto = (): typeof import("node:crypto") => process.getBuiltinModule("node:crypto");
export const childProcess = (): typeof import("node:child_process") => process.getBuiltinModule("node:child_process");
export const v8 = (): typeof import("node:v8") => process.getBuiltinModule("node:v8");
export const vm = (): typeof import("node:vm") => process.getBuiltinModule("node:vm");
