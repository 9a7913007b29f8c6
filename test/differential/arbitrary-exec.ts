import fc from "fast-check";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { arbitraryProcess } from "./arbitrary-process.ts";
import { arbitrarySpec } from "./arbitrary-spec.ts";
import type { SpecTemplate } from "./observer.ts";

export interface Exec {
  readonly spec: SpecTemplate;
  readonly exec: Init<grpc.Process>;
}

/**
 * A container, and a process that is executed in it, in a directory that is there: that of a first process is made. Without the
 * size of its terminal: with crun it is set while the process runs already, which may look before.
 */
export function arbitraryExec(limits: boolean): fc.Arbitrary<Exec> {
  return fc.record({
    spec: arbitrarySpec(limits),
    exec: arbitraryProcess.map(({ ConsoleSize: _, Cwd, ...process }) => ({
      ...process,
      Cwd: Cwd === "/made/here" ? "/full/dir" : Cwd,
    })),
  });
}
