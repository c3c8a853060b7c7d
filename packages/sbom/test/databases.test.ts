import { expect, test } from "vitest";
import { apkPackages } from "../src/databases/apk.ts";
import { copyrightLicenses } from "../src/databases/copyright.ts";
import { dpkgPackages } from "../src/databases/dpkg.ts";
import { parseOsRelease } from "../src/databases/os-release.ts";

const STATUS = `Package: libc6
Status: install ok installed
Priority: optional
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Source: glibc
Version: 2.36-9+deb12u10
Conffiles:
 /etc/ld.so.conf.d/x86_64-linux-gnu.conf d4e7a7b88a71b5ffd9e2644e71a0cfab
Description: GNU C Library
 Version: 99
 Homepage: none of its own

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: half
Status: install ok half-installed
Version: 1

Package: libgcc-s1
Status: hold ok installed
Source: gcc-12 (12.2.0-14)
Version: 1:12.2.0-14
`;

test("dpkg: what is installed, and nothing of what is removed or half there", () => {
  const found = [...dpkgPackages(STATUS, "var/lib/dpkg/status")];
  expect(found).toEqual([
    {
      type: "deb",
      name: "libc6",
      version: "2.36-9+deb12u10",
      architecture: "amd64",
      upstream: "glibc",
      licenses: [],
      supplier: "GNU Libc Maintainers <debian-glibc@lists.debian.org>",
      homepage: undefined,
      foundIn: "var/lib/dpkg/status",
    },
    expect.objectContaining({ name: "libgcc-s1", version: "1:12.2.0-14", upstream: "gcc-12@12.2.0-14" }),
  ]);
});

test("dpkg: a description of distroless images has no status", () => {
  const text = "Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all\n";
  expect([...dpkgPackages(text, "var/lib/dpkg/status.d/tzdata")]).toMatchObject([{ name: "tzdata" }]);
});

test("copyright: short names of the machine-readable form, else the common texts it points to", () => {
  const dep5 = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 1999 Somebody
License: GPL-2+

Files: b
License: Expat
 Permission is hereby granted
 License: not a field

License: GPL-2+
 text
`;
  expect(copyrightLicenses(dep5)).toEqual(["Expat", "GPL-2+"]);
  const prose = "see /usr/share/common-licenses/GPL-2.\nand `/usr/share/common-licenses/LGPL-2.1'.\n";
  expect(copyrightLicenses(prose)).toEqual(["GPL-2", "LGPL-2.1"]);
  expect(copyrightLicenses("public domain")).toEqual([]);
});

test("apk: letters of a package and not those of its files", () => {
  const text = `C:Q1abc=
P:busybox
V:1.36.1-r5
A:x86_64
L:GPL-2.0-only
U:https://busybox.net/
o:busybox
m:Somebody <s@alpinelinux.org>
p:cmd:busybox=1.36.1-r5
F:bin
a:0:0:755
R:busybox

P:musl
V:1.2.4-r2
A:x86_64
L:MIT
`;
  expect([...apkPackages(text, "lib/apk/db/installed")]).toEqual([
    {
      type: "apk",
      name: "busybox",
      version: "1.36.1-r5",
      architecture: "x86_64",
      upstream: "busybox",
      licenses: ["GPL-2.0-only"],
      homepage: "https://busybox.net/",
      foundIn: "lib/apk/db/installed",
    },
    expect.objectContaining({ name: "musl", version: "1.2.4-r2", licenses: ["MIT"] }),
  ]);
});

test("os-release: quoted or not", () => {
  expect(parseOsRelease(`NAME="Alpine Linux"\nID=alpine\nVERSION_ID='3.19.1'\n`)).toEqual({
    id: "alpine",
    versionId: "3.19.1",
    name: "Alpine Linux",
  });
  expect(parseOsRelease("ID=../../x\n")).toBeUndefined();
  expect(parseOsRelease("")).toBeUndefined();
});
