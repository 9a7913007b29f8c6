import type { Command } from "commander";
import { addAgent } from "./command/agent.ts";
import { addAttach } from "./command/attach.ts";
import { addBoot } from "./command/boot.ts";
import { addCapture } from "./command/capture.ts";
import { addChaos } from "./command/chaos.ts";
import { addCompletion } from "./command/completion.ts";
import { addConformance } from "./command/conformance.ts";
import { addCores } from "./command/cores.ts";
import { addCp } from "./command/cp.ts";
import { addDebug } from "./command/debug.ts";
import { addDoctor } from "./command/doctor.ts";
import { addEvents } from "./command/events.ts";
import { addExec } from "./command/exec.ts";
import { addExplain } from "./command/explain.ts";
import { addFork } from "./command/fork.ts";
import { addForward } from "./command/forward.ts";
import { addImage } from "./command/image.ts";
import { addImages } from "./command/images.ts";
import { addInspect } from "./command/inspect.ts";
import { addKill } from "./command/kill.ts";
import { addLogs } from "./command/logs.ts";
import { addMcp } from "./command/mcp.ts";
import { addMetrics } from "./command/metrics.ts";
import { addPause } from "./command/pause.ts";
import { addPorts } from "./command/ports.ts";
import { addPs } from "./command/ps.ts";
import { addPull } from "./command/pull.ts";
import { addRecord } from "./command/record.ts";
import { addReplay } from "./command/replay.ts";
import { addRm } from "./command/rm.ts";
import { addRmi } from "./command/rmi.ts";
import { addRun } from "./command/run.ts";
import { addServe } from "./command/serve.ts";
import { addSetup } from "./command/setup.ts";
import { addSnapshot } from "./command/snapshot.ts";
import { addSshProxy } from "./command/ssh-proxy.ts";
import { addStart } from "./command/start.ts";
import { addStats } from "./command/stats.ts";
import { addStop } from "./command/stop.ts";
import { addTemplate } from "./command/template.ts";
import { addTop } from "./command/top.ts";
import { addTraces } from "./command/traces.ts";
import { addUpdate } from "./command/update.ts";
import { addUpgrade } from "./command/upgrade.ts";
import { addWait } from "./command/wait.ts";
import { refuseDockerWords } from "./docker/docker-refusal.ts";
import { newProgram } from "./new-program.ts";

const HELP = `
The guestctl that booted a guest keeps it running; other commands find it by its record below
\${XDG_RUNTIME_DIR:-/tmp}/guestd-<uid>/. With several guests running, choose one with --guest NAME or --address ADDRESS.`;

/**
 * Builds guestctl's command line. Usage errors are CommanderErrors; other errors are passed on as the commands throw
 * them.
 */
export function createProgram(): Command {
  const program = newProgram("guestctl")
    .description("Boot guests and run containers in them with the guestd agent.")
    .addHelpText("after", HELP);
  const commands = [
    addRun,
    addExec,
    addAttach,
    addDebug,
    addCapture,
    addCp,
    addForward,
    addSshProxy,
    addPorts,
    addPs,
    addInspect,
    addStats,
    addTop,
    addServe,
    addMetrics,
    addTraces,
    addLogs,
    addEvents,
    addCores,
    addExplain,
    addWait,
    addKill,
    addPause,
    addUpdate,
    addRm,
    addStart,
    addBoot,
    addTemplate,
    addSnapshot,
    addFork,
    addStop,
    addUpgrade,
    addAgent,
    addRecord,
    addReplay,
    addChaos,
    addConformance,
    addMcp,
    addPull,
    addImages,
    addRmi,
    addImage,
    addSetup,
    addDoctor,
    addCompletion,
  ];
  for (const add of commands) add(program);
  refuseDockerWords(program);
  return program;
}
