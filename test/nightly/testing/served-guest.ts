import { rmSync } from "node:fs";
import { join } from "node:path";
import { runGuestctl } from "../../../host/cli/testing/run-guestctl.ts";
import { makeBusyboxImage } from "../../../host/engine/image/make-image.ts";
import { makeWorkDirectory } from "../../clean-up/work-directory.ts";
import { type GuestctlProcess, startGuestctl } from "../../scenarios/guestctl-process.ts";

/** Real guests of a runtime folder of their own, and a server of their page. */
export class ServedGuest implements AsyncDisposable {
  readonly directory: string;
  readonly image: string;
  readonly #guests: string[] = [];
  #server: GuestctlProcess | undefined;

  private constructor(directory: string) {
    this.directory = directory;
    this.image = join(directory, "busybox.tar");
  }

  static async start(): Promise<ServedGuest> {
    const guest = new ServedGuest(makeWorkDirectory("serve"));
    await makeBusyboxImage(guest.image);
    return guest;
  }

  /** Runs a guestctl command, and returns its stdout. Throws if it fails. */
  async run(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await runGuestctl(this.directory, [...args]);
    if (code !== 0) throw new Error(`guestctl ${args.join(" ")}: ${code}: ${stderr}`);
    return stdout;
  }

  async boot(name: string, ...flags: readonly string[]): Promise<void> {
    this.#guests.push(name);
    await this.run("boot", "-d", "--name", name, ...flags);
  }

  /** Notes a guest that something else has started, so that it is stopped at the end. */
  adopt(name: string): void {
    this.#guests.push(name);
  }

  /** Starts the server, and resolves with its link. */
  async serve(...flags: readonly string[]): Promise<string> {
    const env = { XDG_RUNTIME_DIR: this.directory, XDG_CACHE_HOME: this.directory };
    const server = startGuestctl(["serve", "--no-open", ...flags], { env });
    this.#server = server;
    await server.prints(/#\S+\n/);
    return server.output.stdout.toString().trim();
  }

  async stopServing(): Promise<void> {
    this.#server?.child.kill("SIGTERM");
    await this.#server?.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopServing();
    for (const name of this.#guests) await runGuestctl(this.directory, ["stop", name]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
