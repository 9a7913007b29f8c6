import { it } from "vitest";
import { expectConformant } from "../namespaces/testing/conformance-suite.ts";

// What depends on a guest's kernel, over the protocol that most tests of guests don't use; test/nightly runs all groups.
it("guestctl conformance --guest passes every case of memory, over gRPC", () =>
  expectConformant(["--guest", "--protocol", "grpc", "--groups", "memory"]));
