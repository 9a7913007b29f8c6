import { parseChallenge, tokenUrl } from "../../../../image/registry/bearer-challenge.ts";
import { parseImageReference } from "../../../../image/registry/image-reference.ts";
import { RegistryError } from "../../../../image/registry/registry-error.ts";
import { type FuzzTarget, promise, refuses } from "../target.ts";

export const registryAnswers: FuzzTarget = {
  name: "registry-answers",
  promise:
    "a challenge names a token server or is ignored; a reference is a host, a repository and a tag, or is refused with one line",
  seeds: () => [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/x:pull"',
    'Basic realm="a", Bearer realm="https://x/\\"t",service=s',
    "quay.io:5000/a/b:1.2",
    `[::1]:5000/a@sha256:${"0".repeat(64)}`,
  ],
  words: ["realm=", "Bearer ", "Basic ", "scope=", "service=", '\\"', "https://", "@sha256:", ", ", "sha256:"],
  // Node limits headers to this size.
  maxLength: 16_384,
  run(input) {
    const text = input.toString("latin1");
    const challenge = parseChallenge(text);
    if (challenge !== undefined) {
      promise(/^[a-z][\w-]*$/.test(challenge.scheme), "a scheme is a word");
      const url = tokenUrl(challenge, "repository:x:pull");
      if (url !== undefined) promise(url.searchParams.has("scope"), "a token has a scope");
    }
    try {
      const { registry, repository, reference } = parseImageReference(input.toString("utf8"));
      promise(
        new URL(`https://${registry}/v2/${repository}/manifests/${reference}`).pathname ===
          `/v2/${repository}/manifests/${reference}`,
        "the parts form a path",
      );
    } catch (error) {
      if (error instanceof TypeError) return; // the client reports a host that URL refuses
      refuses(error, RegistryError);
    }
  },
};
