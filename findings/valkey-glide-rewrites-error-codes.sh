#!/bin/sh
# valkey-glide 2.6.0 (Python) rewrites the text of error replies, so that their first word is not what the server sent.
#
# A server's error reply begins with a code in capitals and a space: `TRYAGAIN ...`, `ERR ...`, `MYCODE ...`. Every other library for Python hands
# that text, or a type of its own, to the caller. valkey-glide turns codes that it knows into words behind a sentence, drops ERR, and
# puts a colon behind codes that it does not know. A caller that repeats "errors without a code in capitals and a space", which is
# right for other clients, would repeat every error of this one.
#
# Seen with redis-server 7.0.15. Needs redis-server and python3; installs valkey-glide 2.6.0 into a temporary folder.
set -eu
work=$(mktemp -d)
port=$((20000 + $$ % 20000))
redis-server --port "$port" --save '' --dir "$work" --daemonize no >"$work/log" 2>&1 &
server=$!
trap 'kill "$server"; rm -rf "$work"' EXIT
python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet --disable-pip-version-check valkey-glide==2.6.0
cat >"$work/ask.py" <<'PY'
import asyncio, sys
import glide

glide.Logger.set_logger_config(glide.LogLevel.OFF)

async def main(port):
    address = glide.NodeAddress("127.0.0.1", port)
    client = await glide.GlideClient.create(glide.GlideClientConfiguration([address]))
    for reply in ("ERR syntax error", "TRYAGAIN Multiple keys", "NOPERM no permission", "MYCODE something of a module"):
        try:
            await client.custom_command(["EVAL", "return redis.error_reply(ARGV[1])", "0", reply])
        except glide.RequestError as error:
            print(f"{reply} => {error}")
    await client.close()

asyncio.run(main(int(sys.argv[1])))
PY
"$work/python/bin/python" "$work/ask.py" "$port" >"$work/seen"
cat "$work/seen"
cat >"$work/expected" <<'TEXT'
ERR syntax error => An error was signalled by the server: - ResponseError: syntax error
TRYAGAIN Multiple keys => An error was signalled by the server: - TryAgain: Multiple keys
NOPERM no permission => An error was signalled by the server: - PermissionDenied: no permission
MYCODE something of a module => MYCODE: something of a module
TEXT
diff "$work/expected" "$work/seen"
echo "valkey-glide 2.6.0 still rewrites error codes"
