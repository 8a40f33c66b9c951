package stock

import (
	"encoding/json"
	"slices"
	"strings"
)

// BucketOf is the bucket, 0 to count - 1, in which a value of a sharded pool's dimension buys: docs/guides/hot-sku.md.
func BucketOf(value string, count int) int {
	h := uint32(0x811c9dc5)
	for i := 0; i < len(value); i++ {
		h = (h ^ uint32(value[i])) * 0x01000193
	}
	h ^= h >> 16
	h *= 0x7feb352d
	h ^= h >> 15
	h *= 0x846ca68b
	h ^= h >> 16
	return int(uint64(h) * uint64(count) >> 32)
}

// AskOf is what a buyer puts down in {NAME}asks after this refusal of a reservation, so that a balancer brings it from other buckets;
// empty: no other bucket can help, and the refusal is final. by is the dimension by which buckets are chosen: a limit that names it is
// whole in the bucket, and so is one on a single order. The order and the values must be UTF-8.
func AskOf(refused *Refusal, order string, bucket int, quantity int64, by string) string {
	ask := []any{order, bucket, quantity}
	if refused == nil || refused.Word != "SOLDOUT" && refused.Word != "LIMITED" {
		return ""
	}
	if refused.Word == "LIMITED" {
		parts := strings.Split(refused.Limit, "/")
		if len(parts) != 3 || slices.Contains(strings.Split(parts[0], "+"), by) || parts[1] == "order" {
			return ""
		}
		if parts[2] != "units" {
			ask[2] = 1
		}
		ask = append(ask, refused.Limit, refused.Value)
	}
	text, err := json.Marshal(ask)
	if err != nil {
		return ""
	}
	return string(text)
}
