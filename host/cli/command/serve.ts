import { join } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { packageRoot } from "../../../lib/package-root.ts";
import packageJson from "../../../package.json" with { type: "json" };
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { oneLine } from "../../operation-error.ts";
import { CliError } from "../cli-error.ts";
import { type Place, placePair, placeText } from "../flags/forward-places.ts";
import { findTarget, type TargetFlags, withTarget } from "../guest/target.ts";
import { print } from "../output/print.ts";
import { openBrowser } from "../serve/open-browser.ts";
import { runForOutput } from "../serve/run-for-output.ts";
import { useSmallHeap } from "../serve/small-heap.ts";

interface ServeFlags extends TargetFlags {
  readonly listen: Place;
  readonly origin?: URL;
  readonly allowExec?: true;
  readonly open: boolean;
  readonly reports?: string;
}

/** A fixed port, so that pages find the server again after its restart. */
const PORT = 4878;

const HELP = `
The link opens one session, which lasts for a week and survives a restart of the server: keep the link for yourself. The page
only shows, until --allow-exec permits shells, writing files, and stopping, forking and killing.

The server listens on a loopback address of this user's own, which guests don't reach. For a browser elsewhere, use --listen
127.0.0.1:4878 and tunnel the port (ssh -L 4878:127.0.0.1:4878 HOST), or listen on a unix socket behind a proxy with TLS and
name its address with --origin.

  guestctl serve
  guestctl serve --allow-exec --no-open
  guestctl serve --listen unix:/run/user/1000/guestd.sock --origin https://guests.example.org`;

/** Adds `guestctl serve`. */
export function addServe(program: Command): void {
  const command = program
    .command("serve")
    .description("Serve a page that shows guests, containers and processes live, and print the link that opens it.")
    .addOption(
      new Option("--listen <place>", "a port, ADDRESS:PORT of this machine, or unix:PATH")
        .default({ port: PORT }, `${PORT}, at a loopback address of this user's own`)
        .argParser(place),
    )
    .option("--origin <url>", "address at which a proxy serves the page", origin)
    .option("--allow-exec", "permit shells, writing files, and stopping, forking and killing")
    .option("--reports <folder>", "show the conformance reports in JSON of this folder")
    .option("--no-open", "print the link without opening a browser");
  withTarget(command, "show only this guest")
    .addHelpText("after", HELP)
    .action((flags: ServeFlags) => serve(flags));
}

async function serve(flags: ServeFlags): Promise<void> {
  const { listen, guest, address } = flags;
  const store = new StateStore();
  if (guest !== undefined || address !== undefined) findTarget(store, flags);
  useSmallHeap();
  const { servePage } = await import("../../serve/serve-page.ts");
  using interrupts = new Interrupts();
  await using served = await servePage({
    store,
    listen,
    guest,
    address,
    origin: flags.origin,
    allowExec: flags.allowExec === true,
    version: packageJson.version,
    page: join(packageRoot(), "build/page"),
    reports: flags.reports,
    run: runForOutput,
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === undefined) throw error;
    const remedy = error.code === "EADDRINUSE" ? "; choose another with --listen 127.0.0.1:0" : "";
    const at = (listen.host ?? listen.path) === undefined ? `port ${listen.port}` : placeText(listen);
    throw new CliError(`serve: listen on ${at}: ${oneLine(error)}${remedy}`);
  });
  await print(`${served.url}\n`);
  using _opened = flags.open && listen.path === undefined ? openBrowser(served.url, store.root) : undefined;
  process.exitCode = 128 + (await interrupts.next());
}

function place(text: string): Place {
  let found: Place;
  try {
    found = placePair(`${text.replace(/^localhost:/, "127.0.0.1:")}:1`).first;
  } catch {
    throw new InvalidArgumentError("Expected PORT, ADDRESS:PORT or unix:PATH.");
  }
  const { host = "127.0.0.1" } = found;
  if (found.path !== undefined || host === "::1" || host.startsWith("127.")) return found;
  const remedy = "use unix:PATH behind a proxy with TLS, or an SSH tunnel";
  throw new InvalidArgumentError(`${host} can be reached by others, without encryption: ${remedy}.`);
}

function origin(text: string): URL {
  if (URL.canParse(text)) {
    const url = new URL(text);
    if (["http:", "https:"].includes(url.protocol) && url.href === `${url.origin}/`) return url;
  }
  throw new InvalidArgumentError("Expected an address such as https://guests.example.org.");
}
