import { spawnSync } from "node:child_process";
import { openInit } from "../../../agent/kernel/init/open-init.ts";
import { openSys } from "../../../agent/kernel/sys/sys.ts";
import { confineAgent, refuseModules } from "../../../agent/main/confine/confine.ts";

/**
 * Runs in place of the agent: confines itself as the agent does, then runs the attack in its argument and prints the
 * result.
 */
const sys = openSys();
await openInit(sys, process.env["GUESTD_INIT_FD"]);
const problems = [...confineAgent(sys), ...refuseModules(sys)];
const { stdout } = spawnSync(process.argv[2] ?? "", { encoding: "utf8" });
process.stdout.write(`${[...problems, stdout].join("\n")}attack done\n`);
setInterval(() => undefined, 60_000);
