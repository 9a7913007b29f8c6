#!/usr/bin/env node
import { ownArguments } from "../own-command.ts";
import { programFor } from "./program.ts";
import { runMain } from "./run-main.ts";

const words = ownArguments();
await runMain(await programFor(words), words);
