#!/usr/bin/env node
import { createProgram } from "./program.ts";
import { runMain } from "./run-main.ts";

await runMain(createProgram(), process.argv.slice(2));
