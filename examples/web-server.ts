// A web server in a sandbox without a network, reached through a forward.
import { Sandbox } from "guestd";
import { where } from "./where.ts";

await using sandbox = await Sandbox.create({ ...where, files: { "/www/index.html": "<h1>hello</h1>\n" } });
await using _server = sandbox.exec(["httpd", "-f", "-p", "8080", "-h", "/www"]);
await sandbox.waitForPort(8080, { timeoutMs: 30_000 });

await using forward = await sandbox.forward({ to: 8080 });
const response = await fetch(`http://${forward.address}/`);
console.log(response.status, (await response.text()).trim());
