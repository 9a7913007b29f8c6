import { mostProcesses } from "../init/testing/most-processes.ts";
import { describeInit } from "../init/testing/variants.ts";

describeInit("processes that outlive the agent:", mostProcesses);
