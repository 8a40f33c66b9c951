# What every shop writes again around redis-cli: source it. STOCK_CLI is the client with its address: "redis-cli -p 6379", or
# for a cluster "redis-cli -c -p 7000", which follows MOVED and ASK from the node that it was given.

# stock WORD...: one command, repeated with the same order id until there is an answer, which goes to standard output, one
# element a line. The status: 1 for a refusal, 2 for an error, else 0.
stock() {
    for pause in 0.02 0.1 0.5 1 2 ""; do
        # redis-cli waits for ever where no answer comes. -e: an error is an exit status.
        if answer=$(timeout 0.5 $STOCK_CLI -e "$@" 2>&1); then
            printf '%s\n' "$answer"
            # A refusal is a word in capitals; numbers and names in small letters answer reads.
            case ${answer%%[[:space:]]*} in
            OK | EXISTS | "" | *[!A-Z]*) ;;
            *) return 1 ;;
            esac
            return 0
        fi
        # An error reply begins with a code in capitals. Only these pass by themselves; anything else means that nobody knows
        # whether the call was done, and the same call again is safe.
        case ${answer%%[[:space:]]*} in
        TRYAGAIN | CLUSTERDOWN | LOADING | MASTERDOWN | READONLY | Could | Error: | "") ;;
        *) break ;;
        esac
        [ -z "$pause" ] || sleep "$pause"
    done
    printf '%s\n' "$answer" >&2
    return 2
}

# The nth element of an answer.
element() { sed -n "$1p"; }
