import { killsLoseNothing } from "../vm/testing/kill-suite.ts";

killsLoseNothing(1000);
