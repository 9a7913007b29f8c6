import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { copyIn } from "../../../host/client/streams/copy-in.ts";
import { copyOut } from "../../../host/client/streams/copy-out.ts";
import { Samples } from "../samples.ts";
import { tarIn, tarOut } from "./tar-through-exec.ts";

/** A running container, the address of guestd.v1.Streams, and the container's root file system on this machine. */
export interface CopiedContainer {
  readonly address: string;
  readonly container: string;
  readonly rootfs: string;
}

/** Milliseconds of copying one folder into a container and out of it, in turns with tar through an attached exec. */
export class CopyRounds {
  readonly in = new Samples();
  readonly out = new Samples();
  readonly tarIn = new Samples();
  readonly tarOut = new Samples();
  readonly #place: CopiedContainer;
  readonly #source: string;

  /** `source` is a folder of this machine, which gets a sibling of the same size. */
  constructor(place: CopiedContainer, source: string) {
    this.#place = place;
    this.#source = source;
  }

  async round(): Promise<void> {
    const { address, container, rootfs } = this.#place;
    const there = { container, path: "/copied" };
    const inside = join(rootfs, "copied");
    const back = `${this.#source}-back`;
    const clear = (path: string) => rmSync(path, { recursive: true, force: true });
    await this.in.time(() => copyIn(address, this.#source, there));
    await this.out.time(() => copyOut(address, there, back));
    clear(back);
    mkdirSync(back);
    await this.tarOut.time(() => tarOut(address, there, back));
    clear(back);
    clear(inside);
    mkdirSync(inside);
    await this.tarIn.time(() => tarIn(address, this.#source, there));
    clear(inside);
  }
}
