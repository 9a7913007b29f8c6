import { expect, test } from "vitest";
import { addressesInHosts } from "./hosts-file.ts";

const HOSTS = `127.0.0.1	localhost
10.0.0.7 db.example.org db # db.old
fd00::7   DB
10.0.0.7 db
#10.0.0.8 db
nonsense db
`;

test("returns each address of a name once, in the file's order and in any case", () => {
  expect(addressesInHosts(HOSTS, "db")).toEqual(["10.0.0.7", "fd00::7"]);
  expect(addressesInHosts(HOSTS, "db.example.org")).toEqual(["10.0.0.7"]);
});

test("returns nothing for names that the file lacks, comments and addresses", () => {
  for (const name of ["db.old", "other", "10.0.0.7", ""]) expect(addressesInHosts(HOSTS, name)).toEqual([]);
});

test("returns the first eight addresses of a name", () => {
  const hosts = Array.from({ length: 20 }, (_, at) => `10.0.0.${at} many`).join("\n");
  expect(addressesInHosts(hosts, "many")).toHaveLength(8);
});

test.each([
  ["line feeds alone", "\n".repeat(1 << 20)],
  ["one line of the name", "web ".repeat(1 << 18)],
  ["more lines of the name than are looked at", `${"web\n".repeat(1024)}10.0.0.1 web\n`],
])("finds nothing in a file that is made to take long: %s", (_, text) => {
  expect(addressesInHosts(text, "web")).toEqual([]);
});
