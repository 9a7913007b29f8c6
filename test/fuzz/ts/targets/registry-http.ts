import { ImageError } from "../../../../image/image-error.ts";
import { readStoredImage } from "../../../../image/read-image.ts";
import { parseImageReference } from "../../../../image/registry/image-reference.ts";
import { RegistryClient } from "../../../../image/registry/registry-client.ts";
import { registryStore } from "../../../../image/registry/registry-store.ts";
import { type FuzzTarget, promise, refuses } from "../target.ts";
import { played } from "./played-http.ts";

const reference = parseImageReference("registry.example/a:1");
const PLATFORM = { os: "linux", architecture: "amd64" };
const BUSY = [429, 502, 503, 504];

/** Takes one answer from each line: status, headers separated by "; ", a tab, the body. */
export const registryHttp: FuzzTarget = {
  name: "registry-http",
  promise:
    "a registry's answers, redirects and tokens end in an image or in a one-line error, and a host's token is sent to no other host",
  seeds: () => [
    '401 www-authenticate: Bearer realm="https://auth.example/t",service="s"\t\n200 \t{"token":"abc"}\n307 location: https://other.example/x\t\n200 \t{"manifests":[]}',
    '302 location: http://127.0.0.1/x\t\n404 \t{"errors":[{"code":"A","message":"b"}]}',
    '401 www-authenticate: Basic realm="x"\t',
    '200 \t{"config":{"digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000"},"layers":[]}\n200 \t{}',
  ],
  words: [
    "401 ",
    "200 ",
    "307 ",
    "location: ",
    "https://",
    "http://",
    "//",
    "file:///",
    "www-authenticate: ",
    '"token":',
    '"access_token":',
    "retry-after: ",
    "; ",
    "\t",
    "@",
  ],
  async run(input) {
    const lines = input.toString("latin1").split("\n").slice(0, 12);
    played.answers = lines.map(answerIn).filter(({ statusCode }) => !BUSY.includes(statusCode));
    played.asked = [];
    const client = new RegistryClient(reference, {
      httpsProxy: "",
      noProxy: "",
      plainHttp: false,
      signal: new AbortController().signal,
    });
    try {
      await readStoredImage(registryStore(client, reference), "fuzz", { platform: PLATFORM });
    } catch (error) {
      refuses(error, ImageError);
    }
    for (const { hostname, authorization } of played.asked) {
      promise(authorization === undefined || hostname === "registry.example", `${hostname} gets a token`);
      promise(authorization === undefined || /^Bearer [\x21-\x7e]+$/.test(authorization), "a token is a word");
    }
  },
};

function answerIn(line: string) {
  const [head = "", body = ""] = line.split("\t", 2);
  const [, status = "200", rest = ""] = /^(\d{3}) ?(.*)$/s.exec(head) ?? [];
  const pairs = rest.split("; ").map((field) => field.split(": ", 2));
  const headers = Object.fromEntries(pairs.map(([name = "", value = ""]) => [name.toLowerCase(), value]));
  return { statusCode: Number(status), headers, body };
}
