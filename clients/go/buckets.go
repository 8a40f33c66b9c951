package stock

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
