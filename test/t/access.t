# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Nobody learns more than before: what access control, redirects and errors
# decide stays decided, with the quick handler and without.
use strict;
use warnings;
use MIME::Base64 ();
use Test::More;
use Vld::Test;

my $old = 1_570_000_000;
my $text = "a page that not everyone may see\n" x 20;

sub file
{
    my ($path, $content) = @_;
    stamp(spew(docs("access/$path"), $content || $text), $old);
    return "/access/$path";
}

my $friend = client();
my $stranger = client(undef, from => '127.0.0.2');
my @yes = ('X-Friend' => 'yes');
my @login = ('Authorization' => 'Basic '
    . MIME::Base64::encode_base64('friend:friend', ''));

# Rule, the status of a stranger, the friend's fields.
my @rules = (
    ['ip', 403], ['not-ip', 403], ['local', 403],
    ['env', 403, @yes], ['expr', 403, @yes], ['if', 403, @yes],
    ['compat', 403], ['compat-env', 403, @yes], ['location', 403],
    ['htaccess', 403, @yes], ['htaccess-above', 403, @yes],
    ['rewrite', 403, @yes], ['rewrite-htaccess', 403, @yes],
    ['remoteip', 403, 'X-Client' => '203.0.113.9'],
    ['basic', 401, @login], ['basic-user', 401, @login],
    ['satisfy-any', 401], ['user-or-ip', 401],
);

for my $mode (qw(off on)) {
    for my $rule (@rules) {
        my $dir = "$mode/$rule->[0]" . ($rule->[0] eq 'htaccess-above'
            ? '/below/that' : '');
        file("$dir/page.css");
        spew(docs("access/$mode/htaccess/.htaccess"),
            "Require expr \"%{HTTP:X-Friend} == 'yes'\"\n");
        spew(docs("access/$mode/htaccess-above/.htaccess"),
            "SetEnvIf X-Friend yes friend\nRequire env friend\n");
        spew(docs("access/$mode/rewrite-htaccess/.htaccess"),
            "RewriteEngine On\nRewriteCond %{HTTP:X-Friend} !=yes\n"
            . "RewriteRule . - [F]\n");
    }
    file("$mode/public/page.css");
    file("$mode/granted/page.css");
}
scan(docs('access'));

for my $mode (qw(off on)) {
    for my $rule (@rules) {
        my ($name, $denied, @fields) = @$rule;
        my $url = "/access/$mode/$name" . ($name eq 'htaccess-above'
            ? '/below/that' : '') . '/page.css';
        my $what = "quick handler $mode, rule $name";
        my $full = $friend->get($url, @fields);
        is($full->{status}, 200, "$what: the friend is served");
        my @held = validators_of($full, 'both');
        my ($id, $res);
        for (1 .. 3) {
            $id = new_id();
            $res = $friend->get($url, @held, @fields, 'X-Id' => $id);
        }
        is($res->{status}, 304, "$what: the friend's copy is not modified");
        noted($id, qr/^(?!quick$)\w/, "$what: but not by the quick handler");
        for my $with (1, 0) {
            $id = new_id();
            $res = $stranger->get($url, $with ? @held : (), 'X-Id' => $id);
            is($res->{status}, $denied, "$what: the stranger is denied"
                . ($with ? ' who sends the tag' : ''));
        }
        ok(!defined $res->{h}{etag} || $res->{h}{etag} ne $full->{h}{etag},
            "$what: and is not told the tag");
        if (@fields) {
            $res = $friend->get($url, @held);
            is($res->{status}, $denied,
                "$what: the friend is denied without the sign");
        }
        $res = $friend->get($url, @held, @fields);
        is($res->{status}, 304, "$what: and served again with it");
    }
}

# What all may see: the quick handler where it is on, fixups where not.
for my $case (['off', 'public', 'replay'], ['on', 'public', 'quick'],
    ['on', 'granted', 'quick'], ['off', 'granted', 'replay'])
{
    my ($mode, $name, $word) = @$case;
    my $url = "/access/$mode/$name/page.css";
    my $full = $friend->get($url);
    my @held = validators_of($full, 'both');
    my $id = new_id();
    my $res;
    $res = $friend->get($url, @held, 'X-Id' => $id) for 1 .. 2;
    is($res->{status}, 304, "what all may see is not modified ($mode $name)");
    noted($id, qr/^$word$/, "by $word");
    $id = new_id();
    $res = $friend->get($url, @held, @login, 'X-Id' => $id);
    is($res->{status}, 304, 'a client that sends Authorization gets its 304');
    noted($id, qr/^(?!quick$)\w/, 'but never by the quick handler');
    $id = new_id();
    $res = $friend->get($url, 'If-None-Match' => '*', 'X-Id' => $id);
    is($res->{status}, 304, 'If-None-Match: * is evaluated');
    noted($id, qr/^(?!quick$)\w/, 'but never by the quick handler');
    for my $method (qw(POST PUT DELETE OPTIONS TRACE PATCH PROPFIND)) {
        $id = new_id();
        $res = client()->request($method, $url,
            'If-None-Match' => $full->{h}{etag}, 'X-Id' => $id,
            $method =~ /^P(OST|UT|ATCH)/ ? (':body' => 'x') : ());
        my $note = note_of($id);
        if ($method eq 'POST') {
            is("$res->{status} " . ($note || ''), '412 412',
                "POST to the file is judged itself ($mode $name)");
            next;
        }
        ok($res->{status} != 304 && $res->{status} != 412 && $note
            && $note !~ /^(?:quick|replay|304|412)$/,
            "$method is not answered ($mode $name)")
            or diag("$res->{status} " . ($note || ''));
    }
}

# Redirects and errors win over preconditions.
for my $mode (qw(off on)) {
    my %want = ('moved/a.css' => 302, 'gone/a.css' => 410,
        'rewritten/a.css' => 301, 'forbidden/a.css' => 403,
        'missing/a.css' => 404);
    for my $path (sort keys %want) {
        file("$mode/$path") unless $path =~ /missing/;
        for my $fields (['If-None-Match' => '*'], ['If-Match' => '"no"'],
            ['If-Modified-Since' => http_date(time)],
            ['If-Unmodified-Since' => http_date(5)])
        {
            my $res = $friend->get("/access/$mode/$path", @$fields);
            is($res->{status}, $want{$path}, "$want{$path} wins over"
                . " $fields->[0] (quick handler $mode)");
        }
    }
    # For one client and not for another.
    my $url = file("$mode/cond/a.css");
    settle();
    my $full = $friend->get($url);
    my @held = validators_of($full, 'tag');
    $friend->get($url, @held) for 1 .. 3;
    is($friend->get($url, @held)->{status}, 304, 'a page that is moved for'
        . " some is not modified for the others (quick handler $mode)");
    my $res = $friend->get($url, @held, 'X-Moved' => 'yes');
    is($res->{status}, 302, 'and moved for those who are told to go'
        . " elsewhere (quick handler $mode)");
}

# What happens to a file after its answer was prepared.
for my $mode (qw(off on)) {
    my @cases = (
        ['removed', 404, sub { unlink $_[0] }],
        ['made unreadable', 403, sub { chmod 0, $_[0] }],
        ['in a folder that was closed', 403,
            sub { chmod 0, $_[0] =~ s{/[^/]+$}{}r }],
        ['replaced by a folder', 301, sub { unlink $_[0]; mkdir $_[0] }],
    );
    my $n = 0;
    for my $case (@cases) {
        my ($what, $want, $change) = @$case;
        my $path = "$mode/later" . ++$n . '/a.css';
        my $url = file($path);
        settle();
        my $full = $friend->get($url);
        my @held = validators_of($full, 'tag');
        $friend->get($url, @held) for 1 .. 2;
        is($friend->get($url, @held)->{status}, 304, "a page is not modified"
            . " before it is $what (quick handler $mode)");
        $change->(docs("access/$path"));
        is($friend->get($url, @held)->{status}, $want,
            "$want once it is $what (quick handler $mode)");
        chmod 0755, docs("access/$mode/later$n");
    }
    my $url = file("$mode/later-rule/a.css");
    settle();
    my $full = $friend->get($url);
    my @held = validators_of($full, 'tag');
    $friend->get($url, @held) for 1 .. 2;
    spew(docs("access/$mode/later-rule/.htaccess"), "Require all denied\n");
    my $before = time;
    select undef, undef, undef, $mode eq 'on' ? 2.7 : 0;
    my $res = $friend->get($url, @held);
    is($res->{status}, 403, 'a rule that comes later is in force '
        . ($mode eq 'on' ? 'when the prepared answer is too old'
            : 'at once') . " (quick handler $mode)");
}

# Responses that are nobody else's are not remembered.
for my $mode (qw(off on)) {
    for my $name (qw(cookie cookie-always private no-store vary-star
        private-always))
    {
        my $url = file("$mode/$name/a.css");
        settle();
        my $full = $friend->get($url);
        my @held = validators_of($full, 'tag');
        my ($id, $res);
        for (1 .. 3) {
            $id = new_id();
            $res = $friend->get($url, @held, 'X-Id' => $id);
        }
        noted($id, qr/^(?!quick$|replay$)\w/,
            "a response with $name is not remembered (quick handler $mode)");
        is($res->{status}, 304, "but evaluated ($name, $mode)");
    }
}

done_testing();
