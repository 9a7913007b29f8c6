import type { HourStep } from "../step.ts";

/** A program of 40 files, whose functions call each other. */
const PROJECT = `rm -rf project tree clone && mkdir project && cd project
for n in $(seq 40); do
  echo "int f$((n + 1))(int); int f$n(int x) { return f$((n + 1))(x * 3 + $n) % 1000003; }" >f$n.c
done
echo 'int f41(int x) { return x; }' >f41.c
printf '#include <stdio.h>\\nint f1(int);\\nint main(void) { printf("%%d\\\\n", f1(7)); return 3; }\\n' >main.c
printf 'app: $(patsubst %%.c,%%.o,$(wildcard *.c))\\n\\tgcc -o $@ $^\\n' >Makefile
cd ..`;

/** A tree of 1,300 files in 50 directories. */
const TREE = `for d in $(seq 50); do
  mkdir -p tree/d$d
  for f in $(seq 26); do echo "$d $f $RANDOM" >tree/d$d/f$f; done
done
chmod 600 tree/d7/f7
ln -s d7/f7 tree/link`;

export const DEV: readonly HourStep[] = [
  {
    name: "`guestctl run -d --name dev dev.tar sleep infinity`",
    shows: "a container with a compiler and git",
    script: "guestctl run -d --name dev images/dev.tar sleep infinity\nguestctl exec dev pwd",
    prints: "dev\n/root\n",
  },
  {
    name: "`guestctl cp project dev:`, `exec dev make -j2`",
    shows: "gcc compiles 42 files, and the program ends with 3",
    script: `${PROJECT}
guestctl cp -q project dev:/root/
guestctl exec -w /root/project dev make -s -j2 CFLAGS=-O1
status=0; guestctl exec dev project/app || status=$?
echo $status`,
    prints: /^-?\d+\n3\n$/,
  },
  {
    name: "`guestctl cp tree dev:`",
    shows: "1,300 files are copied in",
    script: `${TREE}
guestctl cp -q tree dev:/root/
guestctl exec dev find tree -type f | wc -l
guestctl exec dev stat -c '%a %U %s' tree/d7/f7 >there
stat -c '%a root %s' tree/d7/f7 | cmp - there`,
    prints: "1300\n",
  },
  {
    name: "`guestctl exec dev git …`",
    shows: "init, add, commit, clone and fsck of that tree",
    script: `guestctl exec -i -w /root/tree dev bash -e <<'END'
git init -q -b main
git config user.name Ann; git config user.email ann@example.org
git add .; git commit -q -m all
git clone -q . ../clone
git -C ../clone fsck --full --no-progress
git -C ../clone ls-files | wc -l
git diff --no-index --stat ../clone/d7 d7
END`,
    prints: "1301\n",
  },
  {
    name: "`guestctl cp dev:clone .`",
    shows: "the clone comes back equal, with its modes and links",
    script: `guestctl cp -q dev:/root/clone clone
diff -r --no-dereference --exclude .git tree clone
readlink clone/link
guestctl rm -f dev`,
    prints: "d7/f7\ndev\n",
  },
];
