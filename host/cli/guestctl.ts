#!/usr/bin/env node
import { ownArguments } from "./own-command.ts";
import { createProgram } from "./program.ts";
import { runMain } from "./run-main.ts";

await runMain(createProgram(), ownArguments());
