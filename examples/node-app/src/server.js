import { createServer } from "node:http";
import { greeting } from "greeting";

/** Answers /?name=NAME with a greeting. */
export function server() {
  return createServer((request, response) => {
    const name = new URLSearchParams(request.url.split("?")[1]).get("name") ?? "world";
    response.setHeader("content-type", "text/plain; charset=utf-8");
    response.end(`${greeting(name, request.headers["accept-language"])}\n`);
  });
}
