import { ownArguments } from "../own-command.ts";
import { addConformance } from "./command/conformance.ts";
import { newProgram } from "./new-program.ts";
import { runMain } from "./run-main.ts";

// The package guestd-conformance, for those who test an agent without guestd.
const program = newProgram("guestd-conformance");
addConformance(program);
await runMain(program, ["conformance", ...ownArguments()]);
