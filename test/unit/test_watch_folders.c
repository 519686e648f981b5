/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of watch/folders.c, with the system's inotify: names and descriptors
 * agree, whatever is moved where. */
#include "index_test.h"

#include <sys/inotify.h>

#include "validators/content.h"
#include "watch/folders.h"

static vld_folders *new_tree(place *t)
{
    vld_folders *tree = NULL;

    assert_int_equal(vld_folders_make(&tree, t->pool), APR_SUCCESS);
    return tree;
}

static apr_status_t try_watch(vld_folders *tree, vld_folder *parent,
                              const char *name, const char *path,
                              vld_folder **out)
{
    int fd = vld_beneath_open(path, O_RDONLY | O_DIRECTORY);
    apr_status_t rv;

    assert_true(fd >= 0);
    rv = vld_folders_watch(tree, parent, name, fd, out);
    close(fd);
    return rv;
}

static vld_folder *watch(vld_folders *tree, vld_folder *parent,
                         const char *name, const char *path)
{
    vld_folder *out = NULL;

    assert_int_equal(try_watch(tree, parent, name, path, &out), APR_SUCCESS);
    return out;
}

static vld_folder *made(vld_folders *tree, vld_folder *parent, const char *name,
                        const char *path)
{
    assert_int_equal(mkdir(path, 0755), 0);
    return watch(tree, parent, name, path);
}

/* The descriptor of the next event that has one; -1: none is there. */
static int next_event(vld_folders *tree)
{
    _Alignas(struct inotify_event) char buffer[4096];
    ssize_t len = read(vld_folders_fd(tree), buffer, sizeof(buffer));
    const struct inotify_event *e = (const void *)buffer;

    return len > 0 ? e->wd : -1;
}

static void tree_of_names(void **state)
{
    place *t = *state;
    vld_folders *tree = new_tree(t);
    vld_folder *root = watch(tree, NULL, t->root, t->root);
    vld_folder *a = made(tree, root, "a", below(t->root, "a"));
    vld_folder *b = made(tree, a, "b", below(t->root, "a/b"));
    char path[VLD_PATH_MAX + 1];

    assert_int_equal(vld_folders_count(tree), 3);
    assert_ptr_equal(vld_folders_by_wd(tree, b->wd), b);
    assert_ptr_equal(vld_folders_child(tree, a, "b"), b);
    assert_ptr_equal(vld_folders_child(tree, NULL, t->root), root);
    assert_null(vld_folders_child(tree, root, "b"));
    assert_ptr_equal(vld_folders_at(tree, root, below(t->root, "a/b")), b);
    assert_ptr_equal(vld_folders_at(tree, root, t->root), root);
    assert_null(vld_folders_at(tree, root, below(t->root, "a/c")));
    assert_true(vld_folders_path(b, NULL, path) > 0);
    assert_string_equal(path, below(t->root, "a/b"));
    assert_int_equal(vld_folders_path(b, "file", path),
                     strlen(below(t->root, "a/b/file")));
    assert_string_equal(path, below(t->root, "a/b/file"));
    vld_folders_free(tree);
}

static void slash(void **state)
{
    vld_folders *tree = new_tree(*state);
    vld_folder *root = watch(tree, NULL, "", "/");
    vld_folder *etc = watch(tree, root, "etc", "/etc");
    char path[VLD_PATH_MAX + 1];

    vld_folders_path(root, NULL, path);
    assert_string_equal(path, "/");
    vld_folders_path(root, "x", path);
    assert_string_equal(path, "/x");
    vld_folders_path(etc, "x", path);
    assert_string_equal(path, "/etc/x");
    assert_ptr_equal(vld_folders_at(tree, root, "/etc"), etc);
    assert_ptr_equal(vld_folders_at(tree, root, "/"), root);
    vld_folders_free(tree);
}

static void events_come(void **state)
{
    place *t = *state;
    vld_folders *tree = new_tree(t);
    vld_folder *root = watch(tree, NULL, t->root, t->root);

    assert_int_equal(next_event(tree), -1);
    write_text(below(t->root, "file"), "x");
    assert_int_equal(next_event(tree), root->wd);
    vld_folders_free(tree);
}

static void known_again(void **state)
{
    place *t = *state;
    vld_folders *tree = new_tree(t);
    vld_folder *root = watch(tree, NULL, t->root, t->root);
    vld_folder *a = made(tree, root, "a", below(t->root, "a"));

    assert_ptr_equal(watch(tree, root, "a", below(t->root, "a")), a);
    assert_int_equal(vld_folders_count(tree), 2);
    vld_folders_free(tree);
}

static void dropped(void **state)
{
    place *t = *state;
    vld_folders *tree = new_tree(t);
    vld_folder *root = watch(tree, NULL, t->root, t->root);
    vld_folder *a = made(tree, root, "a", below(t->root, "a"));
    int wd = made(tree, a, "b", below(t->root, "a/b"))->wd;
    int seen;

    made(tree, root, "c", below(t->root, "c"));
    vld_folders_drop(tree, a);
    assert_int_equal(vld_folders_count(tree), 2);
    assert_null(vld_folders_by_wd(tree, wd));
    assert_null(vld_folders_child(tree, root, "a"));
    assert_non_null(vld_folders_child(tree, root, "c"));
    while (next_event(tree) != -1) {
    }
    write_text(below(t->root, "a/b/file"), "x");
    seen = next_event(tree);
    assert_int_equal(seen, -1);
    vld_folders_free(tree);
}

static void moved(void **state)
{
    place *t = *state;
    vld_folders *tree = new_tree(t);
    vld_folder *root = watch(tree, NULL, t->root, t->root);
    vld_folder *a = made(tree, root, "a", below(t->root, "a"));
    int wd = a->wd;
    vld_folder *b;

    made(tree, a, "in", below(t->root, "a/in"));
    assert_int_equal(rename(below(t->root, "a"), below(t->root, "b")), 0);
    b = watch(tree, root, "b", below(t->root, "b"));
    assert_int_equal(b->wd, wd);
    assert_ptr_equal(vld_folders_by_wd(tree, wd), b);
    assert_null(vld_folders_child(tree, root, "a"));
    assert_int_equal(vld_folders_count(tree), 2);
    vld_folders_free(tree);
}

static void replaced(void **state)
{
    place *t = *state;
    vld_folders *tree = new_tree(t);
    vld_folder *root = watch(tree, NULL, t->root, t->root);
    int wd = made(tree, root, "a", below(t->root, "a"))->wd;
    vld_folder *a;

    assert_int_equal(rename(below(t->root, "a"), below(t->dir, "a")), 0);
    a = made(tree, root, "a", below(t->root, "a"));
    assert_int_not_equal(a->wd, wd);
    assert_null(vld_folders_by_wd(tree, wd));
    assert_ptr_equal(vld_folders_child(tree, root, "a"), a);
    assert_int_equal(vld_folders_count(tree), 2);
    vld_folders_free(tree);
}

/* As a folder that is mounted twice looks: one inode under two names that are
 * both right. */
static void twice(void **state)
{
    place *t = *state;
    vld_folders *tree = new_tree(t);
    vld_folder *root = watch(tree, NULL, t->root, t->root);
    vld_folder *a = made(tree, root, "a", below(t->root, "a"));
    vld_folder *out = NULL;

    assert_int_equal(try_watch(tree, root, "b", below(t->root, "a"), &out),
                     APR_EEXIST);
    assert_int_equal(try_watch(tree, a, "root", t->root, &out), APR_EEXIST);
    assert_ptr_equal(vld_folders_child(tree, root, "a"), a);
    assert_int_equal(vld_folders_count(tree), 2);
    vld_folders_free(tree);
}

static void too_long(void **state)
{
    place *t = *state;
    vld_folders *tree = new_tree(t);
    vld_folder *f = watch(tree, NULL, t->root, t->root);
    char path[VLD_PATH_MAX + 1], name[256];

    memset(name, 'n', 255);
    name[255] = '\0';
    for (int i = 0; i < 300; i++) {
        char dir[96];

        sprintf(dir, "%s/%d", t->dir, i);
        f = made(tree, f, name, dir);
    }
    assert_int_equal(vld_folders_path(f, NULL, path), 0);
    vld_folders_free(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tree_of_names, "folders are found by name, path and descriptor"),
        TEST(slash, "the root of the file system is a folder like others"),
        TEST(events_come, "what is watched has events"),
        TEST(known_again, "a folder that is watched stays what it is"),
        TEST(dropped, "what is dropped has no event, nor has what is below"),
        TEST(moved, "a folder that was moved is known at its new place only"),
        TEST(replaced, "a folder that took another's place is watched"),
        TEST(twice, "one folder at two places is watched at the first"),
        TEST(too_long, "a path that is too long has no length"),
    };

    return RUN(tests);
}
