# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Requests that are led on to something else: by DirectoryIndex, MultiViews and
# FallbackResource, which give the request the configuration of what they lead
# to.  A rule of the URL that was asked for refuses whom it refused, whatever
# the quick handler knows; and sub-requests that come to nothing have been
# asked, too.
use strict;
use warnings;
use Test::More;
use Vld::Extra;
use Vld::Http ();
use Vld::Many;
use Vld::Server ();
use Vld::Test;

my $old = 1_520_000_000;
my $text = "a page that is reached by another name\n" x 30;

# Rules that leave no trace in a request which they let pass, each with the
# status of whom it refuses.
my $users = top() . '/conf/users';
my %rule = (
    open => ['', 200],
    deny => ["Order deny,allow\nDeny from 127.0.0.2\n", 403],
    if => ["<If \"%{REMOTE_ADDR} == '127.0.0.2'\">\nRequire all denied\n"
        . "</If>\n", 403],
    rewrite => ["RewriteEngine On\nRewriteCond %{REMOTE_ADDR} =127.0.0.2\n"
        . "RewriteRule . - [F]\n", 403],
    satisfy => ["AuthType Basic\nAuthName friends\nAuthUserFile \"$users\"\n"
        . "Require valid-user\nOrder deny,allow\nDeny from all\n"
        . "Allow from 127.0.0.1\nSatisfy Any\n", 401],
    expr => ["Require expr \"%{REMOTE_ADDR} != '127.0.0.2'\"\n", 403],
);

# How a request is led on: the URL's last part, the file, what is configured.
my %lead = (
    index => ['', 'index.html', "DirectoryIndex index.html\n"],
    views => ['page', 'page.html', "Options +MultiViews\n"],
    fallback => ['nothing', 'page.html',
        "FallbackResource \"/fallback/RULE/page.html\"\n"],
);

sub sections
{
    my $s = shift;
    my $text = '';
    for my $lead (sort keys %lead) {
        my ($last, undef, $conf) = @{$lead{$lead}};
        for my $rule (sort keys %rule) {
            (my $this = $conf) =~ s/RULE/$rule/;
            $text .= "<Directory \"" . $s->docs("$lead/$rule") . "\">\n"
                . "$this</Directory>\n"
                . "<LocationMatch \"^/$lead/$rule/$last\$\">\n"
                . "$rule{$rule}[0]</LocationMatch>\n";
        }
    }
    return $text;
}

my $server = Vld::Server->start(name => 'led', loglevel => 'notice',
    conf => sub {
        my $s = shift;
        my $docs = $s->docs;
        return load_modules(qw(rewrite alias access_compat auth_basic authn_file
                authz_user dir negotiation))
            . "RewriteEngine On\n"
            . "RewriteRule ^/translated/ /two/second.html [PT]\n"
            . "<Location /translated/refused>\n"
            . "<If \"%{REMOTE_ADDR} == '127.0.0.2'\">\nRedirect 403\n</If>\n"
            . "</Location>\n"
            . "<Directory \"$docs\">\nRequire all granted\n</Directory>\n"
            . sections($s) . "<Directory \"$docs/two\">\n"
            . "DirectoryIndex first.html second.html\n"
            . "<Files first.html>\nOrder deny,allow\n"
            . "Deny from 127.0.0.2\n</Files>\n</Directory>\n"
            . engine("ValidatorsEngine On\nValidatorsQuickHandler On\n"
                . "ValidatorsAnswerTTL 600\n");
    }, prepare => sub {
        my $s = shift;
        for my $lead (keys %lead) {
            stamp(spew($s->docs("$lead/$_/$lead{$lead}[1]"),
                "$lead $_: $text"), $old) for keys %rule;
        }
        stamp(spew($s->docs("two/$_.html"), "$_: $text"), $old)
            for qw(first second);
        scan_of($s);
    });

my $friend = $server->client;
my $stranger = $server->client(from => '127.0.0.2');
my @yes = ('X-Friend' => 'yes');

# The friend's notes after a full answer.
sub notes_of_friend
{
    my ($url, @asked) = @_;
    my @ids = map { new_id() } 1 .. 4;
    for my $id (@ids) {
        my $res = $friend->get($url, @yes, @asked, 'X-Id' => $id);
        return "$res->{status}" if $res->{status} != 304;
    }
    my $notes = notes_of($server->log_path, @ids);
    return join ' ', map { $notes->{$_} || 'not logged' } @ids;
}

for my $lead (sort keys %lead) {
    for my $rule (sort keys %rule) {
        my $url = "/$lead/$rule/$lead{$lead}[0]";
        my $res = $friend->get($url, @yes);
        my $tag = tag_of("$lead $rule: $text");
        is("$res->{status} " . ($res->{h}{etag} || ''), "200 $tag",
            "$lead, $rule: a friend gets the page") or next;
        my $notes = notes_of_friend($url, 'If-None-Match' => $tag);
        if ($rule eq 'open') {
            like($notes, qr/quick$/, "$lead: what all may see is answered by"
                . ' the quick handler');
        }
        else {
            unlike($notes, qr/quick/, "$lead, $rule: what not all may see is"
                . ' not') or diag($notes);
        }
        my $refused = $rule{$rule}[1];
        my @wrong;
        # httpd itself never runs these rules: MultiViews has led the request on
        # before its fixups.
        $refused = 200 if $lead eq 'views' && $rule eq 'rewrite';
        is($stranger->get($url)->{status}, $refused,
            "$lead, $rule: a stranger gets what httpd's rules say");
        for my $asked (['If-None-Match' => $tag],
            ['If-None-Match' => "\"x\", $tag"], ['If-None-Match' => '*'],
            ['If-Modified-Since' => http_date(time)])
        {
            for my $method (qw(GET HEAD)) {
                next if $refused == 200;
                my $res = $stranger->request($method, $url, @$asked);
                push @wrong, "$method @$asked: $res->{status}"
                    if $res->{status} != $refused;
            }
        }
        all_right("$lead, $rule: and a stranger is refused, whatever he says"
            . ' that he has', @wrong);
    }
}

# Of two pages a stranger is refused the first, in a sub-request, and gets the
# second: that is not what others get.
{
    my $second = tag_of("second: $text");
    for (1 .. 4) {
        my $res = $stranger->get('/two/', $_ > 1
            ? ('If-None-Match' => $second) : ());
        is($res->{status}, $_ > 1 ? 304 : 200, 'a stranger gets the second of'
            . ' two pages');
    }
    my $res = $friend->get('/two/', 'If-None-Match' => $second);
    is("$res->{status} " . ($res->{h}{etag} || ''),
        '200 ' . tag_of("first: $text"), 'and a friend the first');
}
# mod_rewrite replaces the URL, and with it the <Location> by which mod_alias
# has refused.  The rule adds nothing to Vary.
for my $url (qw(/translated/open /translated/refused)) {
    my $tag = tag_of("second: $text");
    my $id;
    for (1 .. 4) {
        my $res = $friend->get($url, 'X-Id' => $id = new_id(), $_ > 1
            ? ('If-None-Match' => $tag) : ());
        is($res->{status}, $_ > 1 ? 304 : 200, "$url: a friend gets the page");
    }
    my $notes = notes_of($server->log_path, $id)->{$id} || 'not logged';
    if ($url =~ /open/) {
        is($notes, 'quick', "$url: the quick handler answers");
        next;
    }
    isnt($notes, 'quick', "$url: the quick handler does not answer");
    for my $asked ([], ['If-None-Match' => $tag],
        ['If-Modified-Since' => http_date(time)])
    {
        is($stranger->get($url, @$asked)->{status}, 403,
            "$url: a stranger is refused" . (@$asked ? ", @$asked" : ''));
    }
}
is(scalar(() = $server->error_log =~ /exit signal/g), 0,
    'no child of httpd died');
$server->stop;
done_testing();
