import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { makeBusyboxImage } from "../../../host/engine/image/make-image.ts";
import type { Figure } from "./figure.ts";
import { availableMib, type Memory, memoryOfAll, untilIdle } from "./memory.ts";
import type { OwnGuestctl } from "./own-guestctl.ts";
import { supervisorFigure } from "./supervisor-figure.ts";

/** Most MiB of a further clone; clones, and most seconds until all have answered. */
const [CLONE_AIM, CLONES_AIM, SECONDS_AIM] = [80, 60, 90];
/** MiB of this machine that are left to other programs, and how much of the first one's memory each clone may take. */
const [RESERVE_MIB, BUSY] = [1024, 1.1];

/** Forks a clone of a template as often as wanted, or as fits, each of which answers an exec. Measures the times and the memory. */
export async function clones(guestctl: OwnGuestctl, wanted: number): Promise<readonly Figure[]> {
  const image = join(guestctl.directory, "busybox.tar");
  await makeBusyboxImage(image);
  await guestctl.output("template", "create", "box", "--image", image);
  await guestctl.output("boot", "-d", "--template", "box", "--name", "origin");
  await untilIdle(guestctl);
  const [available, before] = [availableMib(), memoryOfAll(guestctl.processes())];
  const count = Math.min(wanted, Math.floor((available - RESERVE_MIB) / (BUSY * (before.anonymous + before.guests))));
  const { answers, seconds } = await forkAll(guestctl, count);
  await untilIdle(guestctl);
  const after = memoryOfAll(guestctl.processes());
  const further = (kind: keyof Memory) => (after[kind] - before[kind]) / count;
  const text = (mib: number) => mib.toFixed(0);
  const isAnswer = count >= CLONES_AIM || seconds > SECONDS_AIM || answers < count;
  return [
    {
      what: "each further idle clone of a template: PSS of everything, MiB",
      measured: text(further("pss")),
      aim: `≤ ${CLONE_AIM}`,
      isMet: further("pss") <= CLONE_AIM,
    },
    { what: "  pages of no file, such as translated code, MiB", measured: text(further("anonymous")), aim: "" },
    { what: "  its memory without holes, mapped or not, MiB", measured: text(further("guests")), aim: "" },
    {
      what: "  less that other programs can have, MiB",
      measured: text((available - availableMib()) / count),
      aim: "",
    },
    {
      what: `${count} clones${count < wanted ? `, as fit of ${wanted},` : ""} that answer an exec, s from the command`,
      measured: `${answers} in ${seconds.toFixed(0)}`,
      aim: `${CLONES_AIM} in ≤ ${SECONDS_AIM}`,
      isMet: isAnswer ? answers === count && seconds <= SECONDS_AIM : undefined,
    },
    supervisorFigure(guestctl, count + 1),
  ];
}

/** Forks the guest `origin`, and runs a command in each clone as soon as its name is printed. */
async function forkAll(guestctl: OwnGuestctl, count: number) {
  const began = performance.now();
  const fork = guestctl.start("fork", "origin", "--count", String(count), "--name", "clone");
  fork.stderr.pipe(process.stderr);
  const execs: Promise<string>[] = [];
  const lines = createInterface(fork.stdout);
  lines.on("line", (name) => {
    const answer = guestctl.run("exec", name, "hostname");
    execs.push(answer.then(({ stdout }) => (stdout === `${name}\n` ? name : "")));
  });
  await Promise.all([once(lines, "close"), once(fork, "close")]);
  const answers = (await Promise.all(execs)).filter(Boolean).length;
  return { answers, seconds: (performance.now() - began) / 1000 };
}
