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
 * A container, and an exec in it whose directory exists, because only a first process's directory is created. Without
 * the size of its terminal: crun sets that while the process already runs and may look earlier.
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
