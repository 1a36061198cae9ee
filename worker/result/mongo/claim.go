package mongo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
)

// now is the server's clock.
func (b *Backend) now(ctx context.Context) (time.Time, error) {
	var hello struct {
		LocalTime time.Time `bson:"localTime"`
	}
	err := b.claims.Database().RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
	return hello.LocalTime, err
}

// Claim implements result.Claimer.
func (b *Backend) Claim(ctx context.Context, id, holder string, life time.Duration) (wait time.Duration, err error) {
	err = b.do(ctx, func() (err error) {
		wait, err = b.claim(ctx, id, holder, life)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("claim task %s in mongodb: %w", id, err)
	}
	return wait, nil
}

// claim inserts, and where there is a claim already changes it, if it is the holder's or has lapsed. The server was asked
// for its time before that, so that no claim lapses early for others, and the holder's own perhaps a moment early.
func (b *Backend) claim(ctx context.Context, id, holder string, life time.Duration) (wait time.Duration, err error) {
	now, err := b.now(ctx)
	if err != nil {
		return 0, err
	}
	expires := now.Add(life)
	_, err = b.claims.InsertOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "holder", Value: holder}, {Key: "expires", Value: expires}})
	if !driver.IsDuplicateKeyError(err) {
		return 0, err
	}
	open := bson.A{
		bson.D{{Key: "holder", Value: holder}},
		bson.D{{Key: "expires", Value: bson.D{{Key: "$lte", Value: now}}}},
	}
	changed, err := b.claims.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "$or", Value: open}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "holder", Value: holder}, {Key: "expires", Value: expires}}}})
	if err != nil || changed.MatchedCount > 0 {
		return 0, err
	}
	var other struct {
		Expires time.Time `bson:"expires"`
	}
	err = b.claims.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&other)
	if errors.Is(err, driver.ErrNoDocuments) { // released since
		return time.Millisecond, nil
	}
	return max(other.Expires.Sub(now), time.Millisecond), err
}

// Release implements result.Claimer.
func (b *Backend) Release(ctx context.Context, id, holder string) error {
	err := b.do(ctx, func() error {
		_, err := b.claims.DeleteOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "holder", Value: holder}})
		return err
	})
	if err != nil {
		return fmt.Errorf("release task %s in mongodb: %w", id, err)
	}
	return nil
}

// dropLapsed removes claims that have lapsed.
func (b *Backend) dropLapsed(ctx context.Context) error {
	now, err := b.now(ctx)
	if err == nil {
		_, err = b.claims.DeleteMany(ctx, bson.D{{Key: "expires", Value: bson.D{{Key: "$lte", Value: now}}}})
	}
	return err
}
