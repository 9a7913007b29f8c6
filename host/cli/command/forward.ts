import { type Command, Option } from "commander";
import { forwardDatagrams } from "../../client/streams/local-datagrams.ts";
import { forwardFrom, joinLocal } from "../../client/streams/local-forward.ts";
import { type ReverseForward, reverseForward } from "../../client/streams/reverse-forward.ts";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { oneLine } from "../../operation-error.ts";
import { CliError } from "../cli-error.ts";
import { type PlacePair, placePairs, placeText } from "../flags/forward-places.ts";
import { findForwardTarget } from "../guest/forward-target.ts";
import { type TargetFlags, withTarget } from "../guest/target.ts";
import { print } from "../output/print.ts";

interface ForwardFlags extends TargetFlags {
  readonly udp?: true;
  readonly reverse?: readonly PlacePair[];
}

const HELP = `
Examples:
  guestctl forward web 8080:80                            localhost:8080 here is port 80 in the container
  guestctl forward web 8080:80 5432 9000:9001             several at once
  guestctl forward web unix:/tmp/db.sock:unix:/run/db.sock
  guestctl forward web 5432:db:5432                       db is a name in the container's /etc/hosts
  guestctl forward web --udp 5353:53
  guestctl forward web -R 9000:3000                       port 9000 in the container is port 3000 here
  guestctl forward web -R unix:/run/agent.sock:unix:$SSH_AUTH_SOCK

Runs until it is interrupted. A refused or lost connection ends alone, with one line; the listeners stay, also while the
agent or its guest restarts.`;

/** Adds `guestctl forward`. */
export function addForward(program: Command): void {
  const command = program
    .command("forward")
    .description(
      "Forward TCP and UDP ports and unix sockets to a container or guest, or with -R from it. TARGET is a container's id or the beginning of a random one, or the name of a guest.",
    )
    .argument("<target>")
    .argument("[forwards...]", "HERE:THERE: ports, addresses with ports, or unix:PATH", placePairs)
    .addOption(
      new Option("-R, --reverse <there:here>", "listen in the container or guest instead").argParser(placePairs),
    )
    .option("--udp", "forward datagrams");
  withTarget(command)
    .addHelpText("after", HELP)
    .action((target: string, pairs: readonly PlacePair[], flags: ForwardFlags) => forward(target, pairs, flags));
}

async function forward(text: string, pairs: readonly PlacePair[] = [], flags: ForwardFlags): Promise<void> {
  const { udp = false, reverse = [] } = flags;
  if (pairs.length + reverse.length === 0)
    throw new CliError("forward: nothing to forward; add 8080:80 or -R 9000:3000");
  if (
    udp &&
    [...pairs, ...reverse].some(({ first, second }) => first.path !== undefined || second.path !== undefined)
  ) {
    throw new CliError("forward: --udp can't be combined with unix sockets");
  }
  if (udp && reverse.length > 0) throw new CliError("forward: --udp can't be combined with -R");
  const { guest, address, container } = findForwardTarget(new StateStore(), flags, text);
  using interrupts = new Interrupts();
  // Fails now if the agent or the container doesn't exist.
  await interrupts.during(guest.ports(container, { signal: interrupts.signal }));
  const lines = pairs.map(async ({ first, second }) => {
    const onError = (error: Error) => report(placeText(first), error);
    const listen = udp ? forwardDatagrams : forwardFrom;
    const local = await listen(address(), first, { container, ...second }, { onError }).catch((error: Error) => {
      throw new CliError(`listen on ${placeText(first)}: ${oneLine(error)}`);
    });
    await print(`${placeText(first, local.port)} -> ${placeText(second)} in ${text}\n`);
  });
  await Promise.all(lines);
  const reverses = await Promise.all(reverse.map((pair) => listenThere(address(), container, pair, text, interrupts)));
  const interrupted = interrupts.next();
  await Promise.race([interrupted, ...reverses.map((each) => each.closed)]);
  process.exitCode = 128 + (await interrupted);
  for (const each of reverses) each.close();
  await Promise.allSettled(reverses.map(({ closed }) => closed));
}

async function listenThere(
  address: string,
  container: string,
  { first, second }: PlacePair,
  text: string,
  interrupts: Interrupts,
): Promise<ReverseForward> {
  const onError = (error: Error) => report(`${placeText(first)} in ${text}`, error);
  const reverse = reverseForward(
    address,
    { container, ...first },
    {
      onConnection: joinLocal(second, onError),
      onError,
      onDisconnect: (reason) => report(`${placeText(first)} in ${text}`, new Error(`${reason}; reconnecting`)),
    },
  );
  interrupts.signal.addEventListener("abort", () => reverse.close(), { once: true });
  const port = await interrupts.during(reverse.listening);
  await print(`${placeText(first, port)} in ${text} -> ${placeText(second)}\n`);
  return reverse;
}

function report(where: string, error: Error): void {
  process.stderr.write(`guestctl: ${where}: ${oneLine(error)}\n`);
}
