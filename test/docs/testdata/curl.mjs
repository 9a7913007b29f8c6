// The part of curl that docs/warm-start-vmm.md uses. Fails if the server refuses, like --fail-with-body.
import { request } from "node:http";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "fail-with-body": { type: "boolean" },
    "unix-socket": { type: "string" },
    request: { type: "string", short: "X" },
    header: { type: "string", short: "H", multiple: true, default: [] },
    data: { type: "string", short: "d" },
  },
});
const { pathname } = new URL(positionals[0]);
const headers = Object.fromEntries(values.header.map((line) => line.split(": ")));
const length = values.data === undefined ? {} : { "Content-Length": Buffer.byteLength(values.data) };
const call = request(
  { socketPath: values["unix-socket"], method: values.request, path: pathname, headers: { ...headers, ...length } },
  (response) => {
    response.pipe(process.stderr);
    if (response.statusCode >= 400) process.exitCode = values["fail-with-body"] ? 22 : 0;
  },
);
call.end(values.data);
