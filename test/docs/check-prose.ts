import { repository } from "./pages.ts";
import { proseProblems } from "./prose.ts";

const FOLDERS = ["agent", "docs", "host", "image", "lib", "proto", "release", "rootfs-builder", "test"];

const problems = proseProblems(repository, FOLDERS);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
