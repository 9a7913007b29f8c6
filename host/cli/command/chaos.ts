import { type Command, InvalidArgumentError } from "commander";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { oneLine } from "../../operation-error.ts";
import { CliError } from "../cli-error.ts";
import { print } from "../output/print.ts";

interface ChaosFlags {
  readonly listen: string;
  readonly to: string;
  readonly rule?: readonly string[];
  readonly seed?: number;
}

const HELP = `
The host connects to the address of --listen instead of the agent's. A rule is conditions and one action, separated by commas:

  call=ReadStdout       only messages of this call
  direction=response    request (default), response or both
  conn=2  nth=3         only the second connection; only the third of these messages
  chance=0.01           only one message in a hundred, at random
  delay=200ms           pass the message later; others overtake it
  drop, duplicate       don't pass the message; pass it twice
  cut=17                pass 17 bytes of the message, then close the connection
  fail=UNAVAILABLE:"…"  answer with this error; a request then doesn't reach the agent
  kill=PID              send SIGKILL to a process, then pass the message

Each action is a line on stderr. Of several rules that apply to a message, the first acts.

  guestctl chaos --listen unix:///tmp/chaos.sock --to unix:///run/agent.sock --rule call=ReadStdout,nth=3,delay=200ms
  guestctl chaos --listen unix:///tmp/chaos.sock --to vsock://3:1024 --seed 7 --rule direction=both,chance=0.01,cut=5`;

/** Adds `guestctl chaos`. */
export function addChaos(program: Command): void {
  program
    .command("chaos")
    .description("Relay a host's connections to an agent with faults, to test the host.")
    .requiredOption("--listen <address>", "where the host connects: unix:///path, unix://@name or hvsock:///path:port")
    .requiredOption("--to <address>", "address of the agent")
    .option("--rule <rule>", "a fault, such as call=ReadStdout,delay=200ms; repeat it for several", rules)
    .option("--seed <number>", "seed of chance=…; the first line names it (default: a random one)", seedOf)
    .addHelpText("after", HELP)
    .action((flags: ChaosFlags) => chaos(flags));
}

const rules = (rule: string, before: readonly string[] = []) => [...before, rule];

function seedOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("Expected a whole number of up to 9 digits.");
  return Number(text);
}

async function chaos({
  listen,
  to,
  rule: texts = [],
  seed = Math.floor(Math.random() * 1e9),
}: ChaosFlags): Promise<void> {
  if (texts.length === 0)
    throw new CliError("chaos: no rule given; add --rule, such as --rule call=ReadStdout,delay=200ms");
  const { parseRule } = await import("../../conversation/chaos/parse-rule.ts");
  const { startChaos } = await import("../../conversation/chaos/chaos.ts");
  const parsed = texts.map(parseRule);
  using interrupts = new Interrupts();
  const onError = (error: Error) => report(oneLine(error));
  await using relay = await startChaos({ listen, to, rules: parsed, seed, onAction: report, onError });
  await print(`${relay.address} -> ${to}, seed ${seed}; ^C ends it\n`);
  await interrupts.next();
}

function report(line: string): void {
  process.stderr.write(`guestctl: ${line}\n`);
}
