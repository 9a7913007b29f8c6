import { describe, it } from "vitest";
import { conformanceSuite, expectConformant } from "../namespaces/testing/conformance-suite.ts";

conformanceSuite("grpc");

describe("guestctl conformance --guest", () => {
  it.each(["ttrpc", "grpc"])("passes every case in a guest, over %s", (protocol) =>
    expectConformant(["--guest", "--protocol", protocol]),
  );
});
