/** Specs of the tests' and the benchmarks' containers are those of the conformance suite. */
export { ociSpec } from "../../host/conformance/oci-spec.ts";
