import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** A Dockerfile and its context. */
export interface Case {
  /** On the image `base`, unless it begins with a FROM or arguments before one. */
  readonly dockerfile: readonly string[];
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Finishes the context: links, modes. */
  readonly prepare?: (folder: string) => void;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly target?: string;
}

/** What Docker's first builder and tsbuild build alike. */
export const CASES: Readonly<Record<string, Case>> = {
  "arguments before FROM": {
    dockerfile: [
      "ARG TAG=latest",
      "ARG NAME=base",
      "FROM ${NAME}:${TAG} AS first",
      "ARG NAME",
      "ARG TAG=own",
      "RUN echo $NAME $TAG > /w",
      "FROM first",
      "ARG NAME",
      "RUN echo after $NAME >> /w",
    ],
  },
  "the escape directive": {
    dockerfile: [
      "# escape=`",
      "FROM base",
      "RUN echo one `",
      "  && echo two > /w",
      'ENV A=C:\\dir B=`$x C="a`"b"',
      "RUN env | grep -v HOSTNAME | sort > /env",
    ],
  },
  "odd names and wildcards": {
    dockerfile: [
      "COPY *.txt /w/all/",
      "COPY ?.txt /w/one/",
      "COPY [[]x].txt /w/bracket",
      "COPY [a-c]* /w/range/",
      "COPY dir/*/leaf /w/leaves/",
      'COPY -dash "quo\\"te" /w/odd/',
      'COPY ["ä ö.txt", "new\\tline", "/w/json/"]',
    ],
    files: {
      "a.txt": "a",
      "[x].txt": "x",
      "ä ö.txt": "u",
      "-dash": "d",
      'quo"te': "q",
      '"quo\\"te"': "r",
      "new\tline": "t",
      "b/inside": "b",
      "dir/1/leaf": "1",
      "dir/2/leaf": "2",
    },
  },
  "copies onto what is there": {
    dockerfile: [
      "RUN mkdir -m 700 -p /w/dir/sub && chown 5:6 /w/dir/sub && chmod 711 /w/dir/sub && echo old > /w/dir/sub/file && chmod 600 /w/dir/sub/file",
      "RUN echo target > /w/target && ln -s target /w/link && echo kept > /w/dir/kept",
      "COPY tree /w/dir",
      "COPY file /w/link",
      "COPY --chown=3:4 tree /w/owned",
      "COPY tree /w/owned",
      "COPY file /w/owned/sub/file",
    ],
    files: { "tree/sub/file": "new", "tree/sub/more": "m", "tree/top": "t", file: "f" },
  },
  "COPY to files and folders": {
    dockerfile: [
      "COPY one /w/new/deep/name",
      "COPY one two /w/both/",
      "COPY dir /w/dir",
      "COPY dir/ /w/slash/",
      "COPY dir/sub /w/",
      "COPY *.txt d?r/*.md /w/wild/",
      'COPY ["with space", "/w/spaced name"]',
      "COPY . /w/all",
      "COPY one .",
      "COPY one relative/",
    ],
    files: {
      one: "1",
      two: "2",
      "a.txt": "a",
      "b.txt": "b",
      "dir/x.md": "x",
      "dir/sub/y": "y",
      "dir/sub/deeper/z": "z",
      "with space": "s",
      ".hidden": "h",
    },
  },
  "COPY and links": {
    dockerfile: [
      "RUN mkdir -p /w/real /w/other && ln -s real /w/link && ln -s /w/other /w/absolute && ln -s ../../../w/other /w/up",
      "COPY file /w/link/",
      "COPY file /w/absolute/name",
      "COPY file /w/up/up",
      "COPY links /w/links",
      "COPY links/to-file /w/followed",
      "RUN ln -s /w/target /w/dangling",
      "COPY file /w/dangling/in-it",
    ],
    files: { file: "f", "links/keep": "k" },
    prepare: (folder) => {
      symlinkSync("keep", join(folder, "links/to-file"));
      symlinkSync("/nowhere", join(folder, "links/broken"));
    },
  },
  "owners and modes": {
    dockerfile: [
      "COPY --chown=alice:staff one /w/named/one",
      "COPY --chown=1234 one /w/number/",
      "COPY --chown=1234:5678 dir /w/dir",
      "COPY --chown=alice one /w/user",
      "COPY run.sh /w/",
      "RUN chmod 4750 /w/run.sh && chown 7:8 /w/dir/x && mkdir -m 1777 /w/sticky && umask 027 && mkdir /w/masked",
      "WORKDIR /w/by-user/work",
      "USER alice",
      "COPY one by-copy",
      "RUN id > /tmp/id; touch /tmp/mine",
    ],
    files: { one: "1", "dir/x": "x", "dir/y": "y", "run.sh": "#!/bin/sh\n" },
  },
  "ADD unpacks archives": {
    dockerfile: [
      "ADD tree.tar.gz /w/tree",
      "ADD tree.tar.gz plain /w/both/",
      "ADD plain /w/file",
      "COPY tree.tar.gz /w/",
    ],
    files: { plain: "p" },
    prepare: (folder) => writeFileSync(join(folder, "tree.tar.gz"), gzipSync(treeTar())),
  },
  variables: {
    dockerfile: [
      "ARG GIVEN",
      "ARG DEFAULT=default",
      "ARG EMPTY=",
      "ENV A=1 B='two words' C=three\\ words D=\"$A and ${B}\"",
      "ENV OLD form with spaces",
      "ENV E=${GIVEN:-no} F=${EMPTY:-empty} H=${A:+yes} I=${NONE:+no} J=\\$A K='$A'",
      "ENV A=2 L=$A",
      "WORKDIR /w/$C/${DEFAULT}",
      "WORKDIR below",
      'LABEL one=$A two="a b" three=\'$A\' "quoted key"=x',
      "RUN env | grep -v HOSTNAME | sort > /w/env; pwd > /w/pwd",
      "COPY $DEFAULT /w/${GIVEN}.copy",
      "EXPOSE $A/udp 80 90-92",
      'VOLUME ["/data/$A"]',
      "STOPSIGNAL ${STOP:-SIGUSR1}",
      "USER ${NOBODY:-alice}",
    ],
    files: { default: "d" },
    buildArgs: { GIVEN: "given" },
  },
  "commands and shells": {
    dockerfile: [
      'ENTRYPOINT ["/bin/echo", "entry"]',
      "CMD one two",
      'SHELL ["/bin/sh", "-ec"]',
      "RUN echo $0 > /w",
      'RUN ["/bin/sh", "-c", "echo json $HOME > /json"]',
      "HEALTHCHECK --interval=1m30s --timeout=2s --start-period=3s --retries=4 CMD echo healthy $A",
      "ONBUILD RUN echo later",
      "ONBUILD COPY . /later",
      "MAINTAINER Somebody <some@body>",
      "CMD echo last",
    ],
  },
  "layers that delete": {
    dockerfile: [
      "COPY . /w",
      "RUN rm -r /w/dir && rm /w/file && mkdir /w/dir && echo new > /w/dir/new",
      "RUN mv /w/dir /w/moved && ln -s moved /w/dir",
      "RUN rm /bin/wget && cp /w/moved/new /bin/wget",
      "RUN ln /w/moved/new /w/hard && echo more >> /w/hard",
    ],
    files: { "dir/old": "old", "dir/older/x": "x", file: "f" },
  },
  stages: {
    dockerfile: [
      "RUN mkdir -p /out/d && echo 1 > /out/one && ln /out/one /out/hard && ln -s one /out/soft && chmod 2755 /out/d && chown 9:9 /out/d && mkfifo /out/pipe",
      "FROM base AS second",
      "COPY --from=0 /out /w/out",
      "COPY --from=0 /out/one /out/soft /w/",
      "RUN echo second > /w/second",
      "FROM second AS last",
      "COPY --from=second /w/second /w/again",
      "COPY --from=base /etc/passwd /w/passwd",
      "FROM second AS unused",
      "RUN false",
    ],
    target: "last",
  },
  "the text": {
    dockerfile: [
      "RUN echo one \\",
      "# a comment within",
      "",
      "  && echo two \\",
      "  > /w",
      "   run   echo    spaces   >>   /w  ",
      "Run echo 'quo\\",
      "ted' >> /w",
      "ENV X=1\\",
      "2",
      "RUN echo \"$X\" '#no comment' >> /w",
    ],
  },
};

/** A tar of a folder with a link, a hard link and owners. */
function treeTar(): Buffer {
  const block = (name: string, type: string, mode: string, body = "", link = ""): Buffer[] => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(`${mode}\0`, 100);
    header.write("0000012\0", 108);
    header.write("0000024\0", 116);
    header.write(`${body.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write("14000000000\0", 136);
    header.write("        ", 148);
    header.write(type, 156);
    header.write(link, 157);
    header.write("ustar\x0000", 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return [header, Buffer.from(body), Buffer.alloc((512 - (body.length % 512)) % 512)];
  };
  return Buffer.concat([
    ...block("top/", "5", "0000750"),
    ...block("top/file", "0", "0000640", "content\n"),
    ...block("top/hard", "1", "0000640", "", "top/file"),
    ...block("top/soft", "2", "0000777", "", "file"),
    Buffer.alloc(1024),
  ]);
}
